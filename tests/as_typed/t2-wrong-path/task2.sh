cat > ~/dnsmasq.conf <<EOF
address=/my-awesome-highload-app.local/127.0.0.1
address=/my-awesome-highload-app.local/127.0.0.2
EOF
sudo dnsmasq --no-daemon --conf-file=/tmp/dnsmasq.conf
dig @127.0.0.1 my-awesome-highload-app.local
