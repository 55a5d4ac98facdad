sudo systemctl start dnsmasq
cat > ~/dnsmasq.conf <<EOF
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF
sudo dnsmasq -C ~/dnsmasq.conf
dig @127.0.0.1 my-awesome-highload-app.local
