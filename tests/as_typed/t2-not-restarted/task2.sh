sudo apt install -y dnsmasq
sudo systemctl start dnsmasq
sudo systemctl status dnsmasq --no-pager
echo 'address=/my-awesome-highload-app.local/127.0.0.1' | sudo tee -a /etc/dnsmasq.conf
echo 'address=/my-awesome-highload-app.local/127.0.0.2' | sudo tee -a /etc/dnsmasq.conf
dig @127.0.0.1 my-awesome-highload-app.local
