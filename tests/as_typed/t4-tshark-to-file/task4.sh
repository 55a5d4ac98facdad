echo "wireshark-common wireshark-common/install-setuid boolean true" | sudo debconf-set-selections
sudo DEBIAN_FRONTEND=noninteractive apt-get install -y nginx tshark
sudo hostnamectl set-hostname lb
sudo ufw allow 8888/tcp
sudo tee /etc/nginx/conf.d/lb.conf > /dev/null <<'EOF'
upstream backends {
    server 127.0.0.1:8081 max_fails=7 fail_timeout=10s;
    server 127.0.0.1:8082 backup;
}
server {
    listen 127.0.0.1:8888;
    location / {
        proxy_pass http://backends;
        proxy_set_header X-high-load-test 123;
        add_header X-high-load-test 123;
    }
}
EOF
sudo rm /etc/nginx/sites-enabled/default
sudo systemctl restart nginx
tshark -i lo -f "tcp port 8888" -w /tmp/l7.pcap &
sleep 3
curl -s http://127.0.0.1:8888
sleep 2
kill %1
tshark -r /tmp/l7.pcap -Y http -O http
timeout 5 tshark -i lo -Y 'http.response'
