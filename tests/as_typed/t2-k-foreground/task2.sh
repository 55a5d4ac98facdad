cat > ~/dnsmasq.conf <<'EOF'
no-resolv
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF
# первый терминал
sudo dnsmasq -k -C ~/dnsmasq.conf
# второй терминал
dig @127.0.0.1 my-awesome-highload-app.local
