sudo tee /etc/nginx/conf.d/lb.conf <<'EOF'
upstream backend {
    server 127.0.0.1:8081 max_fails=7 fail_timeout=30s;
    server 127.0.0.1:8082 backup;
}
server {
    listen 127.0.0.1:8888;
    server_name _;
    location / {
        proxy_pass http://backend;
        proxy_set_header Host $host;
        proxy_set_header X-high-load-test 123;
        add_header X-high-load-test 123 always;
    }
}
EOF
sudo rm /etc/nginx/sites-enabled/default
sudo nginx -t
sudo kill -HUP $(cat /run/nginx.pid)
sleep 1
curl -i http://127.0.0.1:8888
