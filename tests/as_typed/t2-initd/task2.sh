sudo sh -c 'printf "host-record=my-awesome-highload-app.local,127.0.0.1\nhost-record=my-awesome-highload-app.local,127.0.0.2\n" > /etc/dnsmasq.d/lb.conf'
dnsmasq --test
sudo /etc/init.d/dnsmasq restart
dig my-awesome-highload-app.local @127.0.0.1 A
