sudo tee /etc/dnsmasq.d/lb.conf <<EOF
address=/my-awesome-highload-app.local/127.0.0.1
address=/my-awesome-highload-app.local/127.0.0.2
EOF
sudo systemctl restart dnsmask
dig @127.0.0.1 my-awesome-highload-app.local
