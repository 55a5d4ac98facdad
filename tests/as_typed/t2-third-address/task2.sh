sudo tee /etc/dnsmasq.d/app.conf <<EOF
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.3
EOF
sudo service dnsmasq restart
dig @127.0.0.1 my-awesome-highload-app.local
