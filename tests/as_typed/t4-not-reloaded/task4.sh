cat > ~/nginx.conf <<'END'
events {}
http {
    upstream backends {
        server 127.0.0.1:8081;
        server 127.0.0.1:8082 backup;
    }
    server {
        listen 127.0.0.1:8888;
        location / {
            proxy_pass http://backends;
            proxy_set_header X-high-load-test 123;
        }
    }
}
END
nginx -c ~/nginx.conf
sed -i 's/:8081;/:8081 max_fails=7;/' ~/nginx.conf
nginx -t -c ~/nginx.conf
curl http://127.0.0.1:8888
