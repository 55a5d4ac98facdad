sudo cp ~/dnsmasq.conf /etc/dnsmasq.conf
sudo service dnsmasq restart
dig @127.0.0.1 my-awesome-highload-app.local
