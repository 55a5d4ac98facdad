# на всякий случай освобождаем порты
kill $(lsof -t -i:8081)
kill $(lsof -t -i:8082)
pkill -f "http.server 8081"
cd ~/backend1 && python3 -m http.server 8081 &
cd ~/backend2 && python3 -m http.server 8082 &
sleep 1
lsof -i :8081
curl http://localhost:8081
curl http://localhost:8082
