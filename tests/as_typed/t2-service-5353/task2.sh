sudo sed -i 's/^#port=5353/port=5353/' /etc/dnsmasq.conf
sudo tee -a /etc/dnsmasq.conf <<EOF
address=/my-awesome-highload-app.local/127.0.0.1
address=/my-awesome-highload-app.local/127.0.0.2
EOF
sudo systemctl restart dnsmasq
dig @127.0.0.1 -p 5353 my-awesome-highload-app.local
