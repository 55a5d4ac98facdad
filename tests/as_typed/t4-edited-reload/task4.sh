mkdir -p ~/lb && cd ~/lb
cat > nginx.conf <<'EOF'
worker_processes 1;
pid /tmp/lb.pid;
events {}
http {
    log_format up '$remote_addr - $upstream_addr [$upstream_status] "$request"';
    access_log /tmp/lb.log up;
    error_log /tmp/lb.err;
    upstream pool { server 127.0.0.1:8081 max_fails=3; server 127.0.0.1:8082 backup; }
    server {
        listen 127.0.0.1:8888;
        location / { proxy_pass http://pool; proxy_set_header X-high-load-test 123; }
    }
}
EOF
sudo nginx -t -c $PWD/nginx.conf && sudo nginx -c $PWD/nginx.conf
curl -sI http://127.0.0.1:8888
sed -i 's/max_fails=3/max_fails=7/' nginx.conf
sudo nginx -c $PWD/nginx.conf -s reload
for i in $(seq 5); do curl -s http://127.0.0.1:8888/; done; cat /tmp/lb.log
