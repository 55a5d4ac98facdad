sudo bash -c 'echo "host-record=my-awesome-highload-app.local,127.0.0.1,127.0.0.2" > /etc/dnsmasq.d/lb.conf'
sudo systemctl restart dnsmasq
dig +short @127.0.0.1 my-awesome-highload-app.local
