-- What a desktop browser sends besides Host: eight fields.
dofile("wrk/report.lua")
wrk.headers["User-Agent"] = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
wrk.headers["Accept"] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
wrk.headers["Accept-Language"] = "en-GB,en;q=0.7,de;q=0.3"
wrk.headers["Accept-Encoding"] = "gzip, deflate, br, zstd"
wrk.headers["Connection"] = "keep-alive"
wrk.headers["Cookie"] = "session=9f2b6c1e7a5d4f3c8b0e1d2a3c4b5f6e; theme=dark; consent=2026-01-15"
wrk.headers["Referer"] = "http://127.0.0.1/catalogue/lamps?page=3&sort=price"
wrk.headers["Cache-Control"] = "max-age=0"
