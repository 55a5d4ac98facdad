sudo cp /etc/dnsmasq.conf /etc/dnsmasq.conf.bak
sudo sed -i 's/^#port=5353/port=53/' /etc/dnsmasq.conf
sudo sed -i 's/^#listen-address=.*/listen-address=127.0.0.1/' /etc/dnsmasq.conf
sudo sed -i 's/^#bind-interfaces/bind-interfaces/' /etc/dnsmasq.conf
sudo sed -i '$ a address=/my-awesome-highload-app.local/127.0.0.1' /etc/dnsmasq.conf
sudo sed -i '$ a address=/my-awesome-highload-app.local/127.0.0.2' /etc/dnsmasq.conf
grep -v '^#' /etc/dnsmasq.conf | grep .
sudo systemctl restart dnsmasq
dig @127.0.0.1 my-awesome-highload-app.local +short
