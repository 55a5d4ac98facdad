sudo systemctl start dnsmasq
sudo tee -a /etc/dnsmasq.conf <<EOF
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF
sudo killall -HUP dnsmasq
dig @127.0.0.1 my-awesome-highload-app.local
