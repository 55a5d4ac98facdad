cat > /etc/dnsmasq.d/lb.conf <<E
address=/my-awesome-highload-app.local/127.0.0.1
address=/my-awesome-highload-app.local/127.0.0.2
E
systemctl restat dnsmasq
dig @127.0.0.1 my-awesome-highload-app.local
