sudo apt update && sudo apt install -y dnsmasq dnsutils
echo "address=/my-awesome-highload-app.local/127.0.0.1" | sudo tee /etc/dnsmasq.d/highload.conf
echo "address=/my-awesome-highload-app.local/127.0.0.2" | sudo tee -a /etc/dnsmasq.d/highload.conf
sudo systemctl restart dnsmasq
sudo systemctl status dnsmasq --no-pager
dig @127.0.0.1 my-awesome-highload-app.local
