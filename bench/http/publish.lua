-- For wrk: publishes batches of 100 messages of 1 KiB to the queue `bench` as guest.
--   wrk -t2 -c8 -d5s -s bench/http/publish.lua http://127.0.0.1:8080/v1/queues/bench/messages/batch
local message = '{"body":"' .. string.rep("x", 1024) .. '"}'
wrk.method = "POST"
wrk.body = '{"messages":[' .. string.rep(message .. ",", 99) .. message .. "]}"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Basic Z3Vlc3Q6Z3Vlc3Q="
