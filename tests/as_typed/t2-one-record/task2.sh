echo "address=/my-awesome-highload-app.local/127.0.0.1" | sudo tee /etc/dnsmasq.d/lb.conf
sudo systemctl restart dnsmasq
dig @127.0.0.1 my-awesome-highload-app.local
