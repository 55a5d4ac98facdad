cat > ~/dnsmasq.conf <<EOF
port=5353
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF
sudo dnsmasq -d -C ~/dnsmasq.conf
dig -p 5353 @127.0.0.1 my-awesome-highload-app.local
