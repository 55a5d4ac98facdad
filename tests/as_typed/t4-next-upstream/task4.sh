sudo tee /etc/nginx/conf.d/balancer.conf > /dev/null << 'CONF'
log_format lb '$time_local $upstream_addr $upstream_status';
upstream backend {
    server 127.0.0.1:8081 max_fails=7 fail_timeout=30s;
    server 127.0.0.1:8082 backup;
}
server {
    listen 127.0.0.1:8888;
    server_name _;
    location / {
        access_log /var/log/nginx/lb.log lb;
        proxy_next_upstream error timeout http_502 http_503;
        proxy_connect_timeout 1s;
        proxy_pass http://backend;
        proxy_set_header Host $host;
        proxy_set_header X-high-load-test 123;
        add_header X-high-load-test 123 always;
    }
}
CONF
sudo rm -rf /etc/nginx/sites-enabled/*
sudo nginx -t && sudo systemctl restart nginx && systemctl is-active nginx
sudo tshark -i lo -d tcp.port==8888,http -Y http -O http -c 8 &
sleep 2
for i in 1 2 3 4 5; do curl -s -D - http://127.0.0.1:8888; done
pkill -f 'http.server 8081'
for i in 1 2 3 4 5 6 7 8 9; do curl -s http://127.0.0.1:8888; done
tail -n 20 /var/log/nginx/lb.log
wait
