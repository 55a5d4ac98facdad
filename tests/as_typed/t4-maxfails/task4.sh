sudo tee /etc/nginx/sites-available/lb <<'EOF'
upstream backend {
    server 127.0.0.1:8081 maxfails=7 fail_timeout=30s;
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
sudo ln -sf /etc/nginx/sites-available/lb /etc/nginx/sites-enabled/default
sudo nginx -t
sudo service nginx restart
curl http://127.0.0.1:8888
