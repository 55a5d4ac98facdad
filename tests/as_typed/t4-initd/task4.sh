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
sudo mv /etc/nginx/sites-enabled/default /tmp/
sudo /etc/init.d/nginx restart
sudo netstat -tulpn | grep nginx
