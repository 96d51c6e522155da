package aws

import (
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
)

// These set the environment, and so do not run beside others.

func TestNoRegion(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	_, err := Open(t.Context(), Options{})
	wantError(t, err, backend.KindInvalid, "AWS_REGION")
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	_, err := Open(t.Context(), Options{Region: "eu-west-1"})
	wantError(t, err, backend.KindDenied, "no usable credentials", "AWS_PROFILE")
}

// profile is a file of profiles, and what it says of one.
func profile(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	t.Setenv("AWS_CONFIG_FILE", path)
}

// TestF9WrongSettings are told at once, by name and without any secret.
func TestF9WrongSettings(t *testing.T) {
	const secret = "wJalrXUtnFEMI-K7MDENG"
	for name, c := range map[string]struct {
		options Options
		env     map[string]string
		profile string
		setting string
		says    string
	}{
		"a newline in the key":     {env: map[string]string{"AWS_ACCESS_KEY_ID": "AKIA\n"}, setting: "AWS_ACCESS_KEY_ID", says: "character 5 of 5"},
		"a blank before it":        {env: map[string]string{"AWS_ACCESS_KEY_ID": " AKIA"}, setting: "AWS_ACCESS_KEY_ID", says: "character 1 of 5"},
		"a newline in the secret":  {env: map[string]string{"AWS_SECRET_ACCESS_KEY": secret + "\r\n"}, setting: "AWS_SECRET_ACCESS_KEY", says: "character 22 of 23"},
		"a no-break space in it":   {env: map[string]string{"AWS_SECRET_ACCESS_KEY": secret + "\u00a0x"}, setting: "AWS_SECRET_ACCESS_KEY", says: "character 22 of 23"},
		"a newline in the token":   {env: map[string]string{"AWS_SESSION_TOKEN": "a\nb"}, setting: "AWS_SESSION_TOKEN", says: "character 2 of 3"},
		"no secret":                {env: map[string]string{"AWS_SECRET_ACCESS_KEY": ""}, setting: "AWS_SECRET_ACCESS_KEY", says: "missing"},
		"no key":                   {env: map[string]string{"AWS_ACCESS_KEY_ID": ""}, setting: "AWS_ACCESS_KEY_ID", says: "missing"},
		"half a pair in a profile": {env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "half"}, profile: "[profile half]\naws_access_key_id = AKIA\n", setting: "the configuration of AWS", says: "partial credentials"},
		"no such profile":          {env: map[string]string{"AWS_PROFILE": "nobody\n"}, setting: "AWS_PROFILE", says: `no profile "nobody\n"`},
		"a wrong number":           {env: map[string]string{"AWS_MAX_ATTEMPTS": "many"}, setting: "the configuration of AWS", says: "many"},
		"no file of roots":         {env: map[string]string{"AWS_CA_BUNDLE": "/does/not/exist"}, setting: "the configuration of AWS", says: "/does/not/exist"},
		"no region":                {env: map[string]string{"AWS_REGION": ""}, setting: "AWS_REGION", says: "no region"},
		"a blank in the region":    {env: map[string]string{"AWS_REGION": "eu-west-1 "}, setting: "AWS_REGION", says: `"eu-west-1 "`},
		"a region in capitals":     {env: map[string]string{"AWS_REGION": "EU-WEST-1"}, setting: "AWS_REGION", says: `"EU-WEST-1"`},
		"the default region":       {env: map[string]string{"AWS_REGION": "", "AWS_DEFAULT_REGION": "eu_west_1"}, setting: "AWS_DEFAULT_REGION", says: `"eu_west_1"`},
		"the option's region":      {options: Options{Region: "eu west 1"}, setting: RegionOption, says: `"eu west 1"`},
		"a region that is a host":  {options: Options{Region: "eu-west-1.amazonaws.com"}, setting: RegionOption, says: "not a region"},
		"a profile's region":       {env: map[string]string{"AWS_REGION": "", "AWS_PROFILE": "p"}, profile: "[profile p]\nregion = eu west\n", setting: "region of the profile", says: `"eu west"`},
		"no scheme":                {options: Options{EndpointURL: "localhost:8000"}, setting: EndpointURLOption, says: "no scheme"},
		"no scheme, a path":        {env: map[string]string{"AWS_ENDPOINT_URL": "localhost/x"}, setting: "AWS_ENDPOINT_URL", says: "no scheme"},
		"another scheme":           {env: map[string]string{"AWS_ENDPOINT_URL": "tcp://localhost:1"}, setting: "AWS_ENDPOINT_URL", says: `"tcp"`},
		"a blank":                  {env: map[string]string{"AWS_ENDPOINT_URL": "http://localhost:1\n"}, setting: "AWS_ENDPOINT_URL", says: "blank"},
		"a path, of one service":   {env: map[string]string{"AWS_ENDPOINT_URL_SQS": "http://localhost:1/000000000000/queue"}, setting: "AWS_ENDPOINT_URL_SQS", says: "more than a host"},
		"a query":                  {env: map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": "http://localhost:1?x=1"}, setting: "AWS_ENDPOINT_URL_DYNAMODB", says: "more than a host"},
		"no host":                  {env: map[string]string{"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": "http://:8000"}, setting: "AWS_ENDPOINT_URL_DYNAMODB_STREAMS", says: "no host"},
		"a port that is none":      {options: Options{EndpointURL: "http://localhost:99999"}, setting: EndpointURLOption, says: `"99999"`},
		"a password":               {options: Options{EndpointURL: "http://me:" + secret + "@localhost"}, setting: EndpointURLOption, says: "a user"},
		"a password, unreadable":   {options: Options{EndpointURL: "http://me:" + secret + "@local%%host"}, setting: EndpointURLOption, says: "not a URL"},
		"a profile's endpoint":     {env: map[string]string{"AWS_PROFILE": "p"}, profile: "[profile p]\nendpoint_url = localhost\n", setting: "endpoint_url of the profile", says: "no scheme"},
		"a newline in a profile":   {env: map[string]string{"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_PROFILE": "p"}, profile: "[profile p]\naws_access_key_id = AK IA\naws_secret_access_key = " + secret + "\n", setting: "aws_access_key_id (SharedConfigCredentials: ", says: "character 3 of 5"},
	} {
		t.Run(name, func(t *testing.T) {
			noEndpoints(t)
			for variable, value := range c.env {
				t.Setenv(variable, value)
			}
			profile(t, c.profile)
			_, err := Open(t.Context(), c.options)
			wantError(t, err, backend.KindInvalid, c.says)
			wrong, ok := errors.AsType[*ConfigError](err)
			if !ok || !strings.HasPrefix(wrong.Setting, c.setting) {
				t.Errorf("%v is not of %s", err, c.setting)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the error shows a secret: %v", err)
			}
		})
	}
}

// TestF9WrongProxy is told as the others, without its password.
func TestF9WrongProxy(t *testing.T) {
	t.Parallel()
	const secret = "hunter2"
	for text, says := range map[string]string{
		"http://me:" + secret + "@proxy:3128": "",
		"socks5://me:" + secret + "@proxy":    "",
		"tcp://me:" + secret + "@proxy:3128":  `"tcp"`,
		"http://me:" + secret + "@:3128":      "no host",
		"http://me:" + secret + "@pro%%xy":    "not a URL",
	} {
		endpoint := "http://localhost:8000"
		err := checkProxy(func(*http.Request) (*url.URL, error) { return url.Parse(text) }, &endpoint)
		if says == "" {
			must(t, err)
			continue
		}
		wantError(t, err, backend.KindInvalid, "HTTP_PROXY", says)
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error shows a secret: %v", err)
		}
	}
	must(t, checkProxy(http.ProxyURL(nil), nil))
}

// TestF9RightSettings are taken, also unusual ones.
func TestF9RightSettings(t *testing.T) {
	for _, o := range []Options{
		{Region: "eu-west-1"}, {Region: "us-gov-west-1"}, {Region: "local"}, {Region: "eusc-de-east-1"},
		{EndpointURL: "http://localhost"}, {EndpointURL: "HTTP://localhost:8000/"}, {EndpointURL: "https://[::1]:4566"},
		{EndpointURL: "http://db.svc.cluster.local:65535"},
	} {
		noEndpoints(t)
		b, err := Open(t.Context(), o)
		if err != nil {
			t.Errorf("%+v: %v", o, err)
			continue
		}
		b.Close()
	}
}

// noEndpoints takes the emulators out of the environment.
func noEndpoints(t *testing.T) {
	for _, service := range []string{"", "_DYNAMODB", "_DYNAMODB_STREAMS", "_SQS"} {
		t.Setenv("AWS_ENDPOINT_URL"+service, "")
	}
}

func TestEndpointsFromTheEnvironment(t *testing.T) {
	noEndpoints(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://all.test")
	t.Setenv("AWS_ENDPOINT_URL_SQS", "http://sqs.test")
	b, err := Open(t.Context(), Options{})
	must(t, err)
	defer b.Close()
	wantSame(t, []string{b.onDB.place, b.onStreams.place, b.onSQS.place},
		[]string{"DynamoDB at http://all.test", "DynamoDB Streams at http://all.test", "SQS at http://sqs.test"})

	b, err = Open(t.Context(), Options{EndpointURL: "http://option.test"})
	must(t, err)
	defer b.Close()
	for _, s := range []*service{b.onDB, b.onStreams, b.onSQS} {
		if !strings.HasSuffix(s.place, " at http://option.test") {
			t.Error(s.place)
		}
	}
}

func TestAWSItselfByDefault(t *testing.T) {
	noEndpoints(t)
	b, err := Open(t.Context(), Options{Region: "eu-north-1"})
	must(t, err)
	defer b.Close()
	wantSame(t, b.onDB.place, "DynamoDB in eu-north-1")
}
