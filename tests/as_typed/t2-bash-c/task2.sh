sudo bash -c 'cat > /etc/dnsmasq.d/my-awesome-highload-app.local.conf <<EOF
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF'
sudo bash -c 'systemctl enable --now dnsmasq && systemctl restart dnsmasq'
dig +short my-awesome-highload-app.local @127.0.0.1
