sudo rm -f /etc/nginx/sites-enabled/default
sudo mkdir -p /etc/systemd/system/nginx.service.d
sudo tee /etc/systemd/system/nginx.service.d/override.conf <<'EOF'
[Service]
ExecStart=
ExecStart=/usr/sbin/nginx -c /root/lb.conf -g 'daemon on; master_process on;'
EOF
cat > /root/lb.conf <<'EOF'
pid /run/nginx.pid;
worker_processes 1;
events { worker_connections 1024; }
http {
upstream backend {
    server 127.0.0.1:8081 max_fails=7 fail_timeout=30s;
    server 127.0.0.1:8082 backup;
}
server {
    listen 127.0.0.1:8888;
    server_name _;
    location / {
        proxy_pass http://backend;
        proxy_set_header X-high-load-test 123;
        add_header X-high-load-test 123 always;
    }
}
}
EOF
sudo systemctl daemon-reload
sudo systemctl restart nginx
curl -s localhost:8888
