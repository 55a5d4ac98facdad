# на Ubuntu 53 порт занят systemd-resolved
sudo systemctl disable --now systemd-resolved
sudo rm -f /etc/resolv.conf
echo "nameserver 127.0.0.1" | sudo tee /etc/resolv.conf
sudo tee /etc/dnsmasq.conf > /dev/null <<EOF
port=53
listen-address=127.0.0.1
no-resolv
address=/my-awesome-highload-app.local/127.0.0.1
address=/my-awesome-highload-app.local/127.0.0.2
EOF
sudo systemctl restart dnsmasq
sudo ss -lunp | grep :53
dig @127.0.0.1 my-awesome-highload-app.local
nslookup my-awesome-highload-app.local 127.0.0.1
