sudo bash -c "echo 'address=/my-awesome-highload-app.local/127.0.0.1' > /etc/dnsmasq.d/my-awesome-highload-app.local"
sudo bash -c "echo 'address=/my-awesome-highload-app.local/127.0.0.2' >> /etc/dnsmasq.d/my-awesome-highload-app.local"
sudo systemctl restart dnsmasq.service
dig @127.0.0.1 my-awesome-highload-app.local
