sudo nano /etc/dnsmasq.d/lb.conf
sudo tee /etc/dnsmasq.d/lb.conf <<'EOF'
log-queries
host-record=my-awesome-highload-app.local,127.0.0.1
host-record=my-awesome-highload-app.local,127.0.0.2
EOF
journalctl -u dnsmasq -f
watch -n 1 dig +short @127.0.0.1 my-awesome-highload-app.local
sudo systemctl restart dnsmasq
for i in $(seq 5); do dig +short @127.0.0.1 my-awesome-highload-app.local; done
