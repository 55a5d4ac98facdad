echo 'host-record=my-awesome-highload-app.local,127.0.0.1' | sudo tee /etc/dnsmasq.d/lb.conf
echo 'host-record=my-awesome-highload-app.local,127.0.0.2' | sudo tee -a /etc/dnsmasq.d/lb.conf
sudo dnsmasq --test -C /etc/dnsmasq.d/lb.conf
dig my-awesome-highload-app.local
