"""What the services know of each platform, one package a platform; `registry` lists them."""
