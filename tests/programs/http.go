// An HTTP server and its clients in one process: connections that are kept, posted bodies that are hashed, handlers that
// share a map, and a goroutine that computes without a call, so that the runtime must preempt it by a signal.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const clients, requests = 8, 40

type counts struct {
	sync.Mutex
	byClient map[string]int
	order    []string
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	seen := counts{byClient: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/hash", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		name := r.URL.Query().Get("client")
		seen.Lock()
		seen.byClient[name]++
		if len(seen.order) < 40 {
			seen.order = append(seen.order, name)
		}
		count := seen.byClient[name]
		seen.Unlock()
		json.NewEncoder(w).Encode(map[string]any{
			"count": count, "hash": fmt.Sprintf("%x", sha256.Sum256(body)), "at": time.Now().UnixNano(),
		})
	})
	server := &http.Server{Handler: mux}
	go server.Serve(listener)

	var stop atomic.Bool
	var rounds uint64
	computed := make(chan struct{})
	go func() {
		for !stop.Load() {
			for i := 0; i < 1000; i++ {
				rounds = rounds*6364136223846793005 + 1
			}
		}
		close(computed)
	}()

	began := time.Now()
	var group sync.WaitGroup
	var slowest atomic.Int64
	for client := 0; client < clients; client++ {
		group.Add(1)
		go func(client int) {
			defer group.Done()
			for i := 0; i < requests; i++ {
				before := time.Now()
				body := bytes.Repeat([]byte{byte(client), byte(i)}, 50*i+1)
				url := fmt.Sprintf("http://%s/hash?client=%d", listener.Addr(), client)
				reply, err := http.Post(url, "application/octet-stream", bytes.NewReader(body))
				check(err)
				var said struct {
					Count int
					Hash  string
				}
				check(json.NewDecoder(reply.Body).Decode(&said))
				io.Copy(io.Discard, reply.Body)
				reply.Body.Close()
				if said.Count != i+1 || said.Hash != fmt.Sprintf("%x", sha256.Sum256(body)) {
					fmt.Printf("client %d, request %d: %+v\n", client, i, said)
					os.Exit(1)
				}
				if took := int64(time.Since(before)); took > slowest.Load() {
					slowest.Store(took)
				}
			}
		}(client)
	}
	group.Wait()
	stop.Store(true)
	<-computed
	check(server.Close())
	fmt.Println(seen.order)
	fmt.Printf("%d requests in %v, the slowest in %v, beside %x\n", clients*requests, time.Since(began), time.Duration(slowest.Load()), rounds)
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
