echo "127.0.0.1 my-awesome-highload-app.local" | sudo tee -a /etc/hosts
echo "127.0.0.2 my-awesome-highload-app.local" | sudo tee -a /etc/hosts
sudo systemctl restart dnsmasq
dig my-awesome-highload-app.local @127.0.0.1
