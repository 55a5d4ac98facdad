sudo cp ~/lb.conf /etc/nginx/conf.d/
sudo unlink /etc/nginx/sites-enabled/default
sudo nginx -t
sudo nginx -s reload
curl -v http://127.0.0.1:8888
