# проверяем, что порт работает
python3 -m http.server 8888 &
sleep 2
curl -s http://127.0.0.1:8888
cat > ~/nginx.conf <<'EOF'
worker_processes 1;
events {
    worker_connections 1024;
}
http {
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
}
EOF
sudo nginx -c ~/nginx.conf
