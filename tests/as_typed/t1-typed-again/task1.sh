mkdir backend1 backend2
cd backend1
echo "<h1>Response from Backend Server 1</h1> > index.html"
echo "<h1>Response from Backend Server 1</h1>" > index.html
python -m http.server 8081 &
pyhton3 -m http.server 8081 &
python3 -m http.server 8081 &
cd backend2
cd ../backend2
echo "<h2>*** Response from Backend Server 2 ***</h2>" > index.html
python3 -m http.server 8081 &
python3 -m http.server 8082 &
crul localhost:8081
curl localhost:8081
curl localhost:8082
exit
