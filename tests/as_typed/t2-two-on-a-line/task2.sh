echo "address=/my-awesome-highload-app.local/127.0.0.1,127.0.0.2" > ~/lb.conf
sudo dnsmasq -C ~/lb.conf
dig @127.0.0.1 my-awesome-highload-app.local
