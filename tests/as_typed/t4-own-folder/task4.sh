mkdir -p ~/lb && cd ~/lb
cat > nginx.conf <<'EOF'
error_log /tmp/nginx-error.log notice;
worker_processes 1;
events {
    worker_connections 1024;
}
http {
    access_log /tmp/nginx-access.log;
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
sudo nginx -t -c $(pwd)/nginx.conf
sudo nginx -c $(pwd)/nginx.conf
for ((i = 0; i < 5; i++)); do curl -s 127.0.0.1:8888; done
cat /tmp/nginx-access.log
