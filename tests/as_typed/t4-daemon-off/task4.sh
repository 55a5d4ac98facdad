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
# терминал 1
sudo nginx -c ~/nginx.conf -g 'daemon off;'
# терминал 2
sudo tshark -i lo -f 'tcp port 8888' -Y http -V
# терминал 3
for i in {1..10}; do curl -s http://127.0.0.1:8888; done
