printf '127.0.0.1 my-awesome-highload-app.local\n127.0.0.2 my-awesome-highload-app.local\n' | sudo tee /etc/dnsmasq.hosts
echo 'addn-hosts=/etc/dnsmasq.hosts' | sudo tee /etc/dnsmasq.d/hosts.conf
sudo systemctl enable dnsmasq --now
sudo systemctl restart dnsmasq && sudo systemctl status dnsmasq --no-pager
host my-awesome-highload-app.local 127.0.0.1
nslookup my-awesome-highload-app.local 127.0.0.1
dig my-awesome-highload-app.local @127.0.0.1 +noall +answer
