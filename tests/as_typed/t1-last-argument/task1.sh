mkdir backend1 && cd $_
echo '<h1>Response from Backend Server 1</h1>' > index.html
python3 -m http.server 8081 &
cd ..
mkdir -p ~/backend2
cd "$_"
echo '<h2>*** Response from Backend Server 2 ***</h2>' > index.html
python3 -m http.server 8082 &
curl localhost:8081; curl localhost:8082
