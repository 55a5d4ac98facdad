sudo tee /etc/nginx/conf.d/upstream.conf > /dev/null <<'EOF'
upstream backends {
    server 127.0.0.1:8081 max_fails=7 fail_timeout=10s;
    server 127.0.0.1:8082 backup;
}
EOF
sudo sed -i 's/listen 80 default_server;/listen 127.0.0.1:8888;/' /etc/nginx/sites-available/default
sudo sed -i '/listen \[::\]:80 default_server;/d' /etc/nginx/sites-available/default
sudo sed -i 's|try_files $uri $uri/ =404;|proxy_pass http://backends;\n\t\tproxy_set_header X-high-load-test 123;\n\t\tadd_header X-high-load-test 123;|' /etc/nginx/sites-available/default
sudo nginx -t && sudo systemctl reload nginx
curl -v http://127.0.0.1:8888
