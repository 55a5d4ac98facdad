cat > ~/d.conf <<EOF
listen-address=127.0.0.53
bind-interfaces
no-resolv
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF
sudo dnsmasq -C ~/d.conf
dig @127.0.0.53 my-awesome-highload-app.local
