// The gateway of the shop: takes orders over HTTP, counts and keeps them in Redis, asks the pricing
// service for what they cost. Speaks RESP by itself. Prints what it did when it is told to end.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

type order struct {
	Id    string `json:"id"`
	Item  string `json:"item"`
	Count int    `json:"count"`
}

type answer struct {
	Id    string `json:"id"`
	Place int    `json:"place"`
	Total int    `json:"total"`
}

// A connection to Redis, used by one request at a time.
type redis struct {
	conn   net.Conn
	reader *bufio.Reader
}

var (
	pool              = make(chan *redis, 2)
	pricing           string
	handled, commands atomic.Int64
)

func dial(path string) *redis {
	conn, err := net.Dial("unix", path)
	check(err)
	return &redis{conn, bufio.NewReader(conn)}
}

// Sends commands at once and reads their replies: integers and simple strings, which is all there is.
func (r *redis) pipeline(all ...[]string) []string {
	var out bytes.Buffer
	for _, words := range all {
		fmt.Fprintf(&out, "*%d\r\n", len(words))
		for _, word := range words {
			fmt.Fprintf(&out, "$%d\r\n%s\r\n", len(word), word)
		}
	}
	_, err := r.conn.Write(out.Bytes())
	check(err)
	replies := make([]string, len(all))
	for i := range all {
		line, err := r.reader.ReadString('\n')
		check(err)
		replies[i] = strings.TrimRight(line[1:], "\r\n")
		commands.Add(1)
	}
	return replies
}

func take(w http.ResponseWriter, request *http.Request) {
	var o order
	if json.NewDecoder(request.Body).Decode(&o) != nil {
		w.WriteHeader(400)
		return
	}
	r := <-pool
	replies := r.pipeline(
		[]string{"INCR", "orders"},
		[]string{"HSET", "order:" + o.Id, "item", o.Item, "count", strconv.Itoa(o.Count)},
	)
	pool <- r
	place, err := strconv.Atoi(replies[0])
	check(err)
	body, _ := json.Marshal(o)
	response, err := http.Post(pricing+"/price", "application/json", bytes.NewReader(body))
	check(err)
	defer response.Body.Close()
	priced := answer{Place: place}
	check(json.NewDecoder(response.Body).Decode(&priced))
	_, _ = io.Copy(io.Discard, response.Body)
	w.Header().Set("Content-Type", "application/json")
	check(json.NewEncoder(w).Encode(priced))
	handled.Add(1)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

// gateway REDIS-SOCKET PRICING-URL: writes its port to the file gateway.port.
func main() {
	pricing = os.Args[2]
	for i := 0; i < cap(pool); i++ {
		pool <- dial(os.Args[1])
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	http.HandleFunc("/order", take)
	go func() { check(http.Serve(listener, nil)) }()
	port := listener.Addr().(*net.TCPAddr).Port
	check(os.WriteFile("gateway.tmp", []byte(fmt.Sprintln(port)), 0o644))
	check(os.Rename("gateway.tmp", "gateway.port"))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	fmt.Printf("gateway handled %d commands %d\n", handled.Load(), commands.Load())
}
