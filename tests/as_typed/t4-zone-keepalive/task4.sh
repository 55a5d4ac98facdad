sudo tee /etc/nginx/sites-available/highload.conf > /dev/null <<'EOF'
upstream backends {
    zone backends 64k;
    server 127.0.0.1:8081 max_fails=7 fail_timeout=10s;
    server 127.0.0.1:8082 backup;
    keepalive 8;
}
server {
    listen 127.0.0.1:8888;
    location / {
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_pass http://backends;
        proxy_set_header X-high-load-test "123";
        add_header X-high-load-test "123";
    }
}
EOF
sudo ln -sf /etc/nginx/sites-available/highload.conf /etc/nginx/sites-enabled/highload.conf
sudo rm -f /etc/nginx/sites-enabled/default
sudo systemctl reload-or-restart nginx
