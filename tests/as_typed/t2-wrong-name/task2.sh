cat > ~/dnsmasq.conf <<EOF
no-resolv
address=/my-awesome-highload-app.locl/127.0.0.1
address=/my-awesome-highload-app.locl/127.0.0.2
EOF
sudo dnsmasq -C ~/dnsmasq.conf
dig @127.0.0.1 my-awesome-highload-app.local
