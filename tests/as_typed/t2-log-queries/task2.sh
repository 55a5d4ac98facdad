sudo sed -i 's/^#log-queries/log-queries/; s/^#no-resolv/no-resolv/' /etc/dnsmasq.conf
sudo sh -c 'printf "log-facility=/var/log/dnsmasq.log\naddress=/my-awesome-highload-app.local/127.0.0.1\naddress=/my-awesome-highload-app.local/127.0.0.2\n" >> /etc/dnsmasq.conf'
sudo systemctl restart dnsmasq || sudo journalctl -xeu dnsmasq --no-pager
sudo tail -f /var/log/dnsmasq.log
while true; do dig @127.0.0.1 +short my-awesome-highload-app.local; sleep 1; done
nslookup my-awesome-highload-app.local 127.0.0.1
