sudo tee /etc/nginx/conf.d/lb.conf > /dev/null <<'EOF'
upstream backends {
    server 127.0.0.1:8081;
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
sudo service nginx restart
for i in {1..10}; do curl -s 127.0.0.1:8888; done
