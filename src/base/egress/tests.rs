//! Spellings that led other programs astray, with a listener that must not be reached by any of them.

use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use reqwest::Url;

use super::*;

/// A server on all addresses of this machine. It counts who comes, and answers with a redirect when there is one.
struct Canary {
    port: u16,
    hits: Arc<AtomicUsize>,
    /// The last request's head.
    seen: Arc<Mutex<String>>,
    redirect: Arc<Mutex<Option<String>>>,
}

impl Canary {
    fn sing() -> Canary {
        // Both families where the system has both.
        let door = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).expect("a port");
        let canary = Canary {
            port: door.local_addr().expect("an address").port(),
            hits: Arc::default(),
            seen: Arc::default(),
            redirect: Arc::default(),
        };
        let (hits, seen, redirect) = (canary.hits.clone(), canary.seen.clone(), canary.redirect.clone());
        thread::spawn(move || {
            for mut stream in door.incoming().flatten() {
                hits.fetch_add(1, Ordering::SeqCst);
                let mut head = vec![0; 4096];
                let length = stream.read(&mut head).unwrap_or(0);
                *seen.lock().expect("the note") = String::from_utf8_lossy(&head[..length]).to_lowercase();
                let answer = match redirect.lock().expect("the place").take() {
                    Some(to) => format!("HTTP/1.1 307 Elsewhere\r\nlocation: {to}\r\n"),
                    None => "HTTP/1.1 200 OK\r\n".to_owned(),
                };
                let _ = stream.write_all(format!("{answer}content-length: 0\r\nconnection: close\r\n\r\n").as_bytes());
            }
        });
        canary
    }

    fn hits(&self) -> usize {
        self.hits.swap(0, Ordering::SeqCst)
    }

    fn url(&self, host: &str) -> Url {
        Url::parse(&format!("http://{host}:{}/", self.port)).expect("a url")
    }
}

/// Names that lead where the test wants: each look-up takes the next answer of the name, and the last one for ever.
struct Fixed {
    answers: Vec<(&'static str, Vec<Vec<IpAddr>>)>,
    asked: AtomicUsize,
}

impl Names for Fixed {
    fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.answers.iter().find(|(name, _)| *name == host);
        let (_, answers) = found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(answers[turn.min(answers.len() - 1)].clone())
    }
}

fn names(answers: &[(&'static str, &[&str])]) -> Arc<Fixed> {
    let addresses = |texts: &str| texts.split(' ').map(|text| text.parse().expect("an address")).collect();
    let answers = answers.iter().map(|(name, turns)| (*name, turns.iter().map(|texts| addresses(texts)).collect()));
    Arc::new(Fixed { answers: answers.collect(), asked: AtomicUsize::new(0) })
}

/// Hosts that are special, or are spelled so that some program takes them for special ones.
const SPELLINGS: &[&str] = &[
    // Loopback, plainly and as numbers of other kinds.
    "127.0.0.1",
    "127.0.0.2",
    "127.1.2.3",
    "127.255.255.255",
    "127.1",
    "127.0.1",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0x7F000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "0177.1",
    "127.0.0.0x1",
    "127.0.0.01",
    "127.000.000.001",
    "00127.0.0.1",
    "127.0x1",
    "4294967297",
    "127.0.0.1.",
    "0x7f000001.",
    "127.0.0.256",
    "1.127.0.0.1",
    "example.0x7f000001",
    "example.1",
    "localhost",
    "LocalHost",
    "localhost.",
    "sub.localhost",
    "\u{24db}ocalhost",
    "\u{2460}\u{2461}\u{2466}.0.0.1",
    "127\u{3002}0\u{3002}0\u{3002}1",
    "127.0.0.%31",
    "%31%32%37.0.0.1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::0001]",
    "[0000::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2001:0:7f00:1::80ff:fffe]",
    "[2600::5efe:127.0.0.1]",
    "[2600::200:5efe:7f00:1]",
    "[::1%25lo]",
    // Unspecified: connects to this machine.
    "0.0.0.0",
    "0",
    "0x0",
    "00",
    "0.1.2.3",
    "[::]",
    "[::ffff:0.0.0.0]",
    "[::0]",
    // Metadata of clouds, and other link-local addresses.
    "169.254.169.254",
    "169.254.170.2",
    "169.254.0.1",
    "2852039166",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "0251.0376.0251.0376",
    "169.254.43518",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::169.254.169.254]",
    "[fe80::1]",
    "[febf::1]",
    "[fd00:ec2::254]",
    "metadata.test",
    // Private, shared, and for other uses.
    "10.0.0.1",
    "10.255.255.255",
    "167772161",
    "012.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "0300.0250.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[fc00::1]",
    "[fdff::1]",
    "[fec0::1]",
    "[ff02::1]",
    "[100::1]",
    "[100:0:0:1::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[4000::1]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[2002:a00:1::]",
    // Names that lead there.
    "private.test",
    "mixed.test",
    "mapped.test",
    "loop.test",
    "zero.test",
];

fn misleading() -> Arc<Fixed> {
    names(&[
        ("localhost", &["127.0.0.1"]),
        ("sub.localhost", &["127.0.0.1"]),
        ("metadata.test", &["169.254.169.254"]),
        ("private.test", &["10.1.2.3"]),
        // One good address does not make up for a bad one, wherever it stands.
        ("mixed.test", &["8.8.8.8 127.0.0.1"]),
        ("mapped.test", &["::ffff:127.0.0.1"]),
        ("loop.test", &["::1"]),
        ("zero.test", &["0.0.0.0"]),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_reaches_what_is_not_public() {
    assert!(SPELLINGS.len() >= 80);
    let canary = Canary::sing();
    let egress = Egress::default().looking_up(misleading());
    let client = egress.client(Redirects::Anywhere, |client| client.timeout(Duration::from_secs(5))).expect("a client");
    for spelling in SPELLINGS {
        let found = egress.resolve(spelling, canary.port).await;
        assert!(matches!(found, Err(ResolveError::Refused(_))), "{spelling}: {found:?}");
        // As a url, some are not one, and the others may be spelled anew.
        let Ok(url) = Url::parse(&format!("http://{spelling}:{}/", canary.port)) else { continue };
        // Leading zeros can make a public address of what looks like a loopback one.
        if url.host_str() == Some("87.0.0.1") {
            continue;
        }
        let refused = match client.get(url) {
            Err(_) => true,
            Ok(request) => match request.send().await {
                Ok(_) => false,
                Err(error) => Refused::among(&error).is_some(),
            },
        };
        assert!(refused, "{spelling}");
    }
    assert_eq!(canary.hits(), 0);

    // The same client and listener meet when that is allowed, so the silence above means something.
    let egress = Egress::new(&["127.0.0.0/8"], false).expect("a network").looking_up(misleading());
    let client = egress.client(Redirects::Never, |client| client).expect("a client");
    for host in ["127.0.0.1", "0x7f.1", "localhost", "mapped.test"] {
        client.get(canary.url(host)).expect("it is allowed").send().await.expect("an answer");
        assert_eq!(canary.hits(), 1, "{host}");
    }
}

#[test]
fn what_is_public_may_be_reached_and_what_is_allowed_as_well() {
    let answers = || {
        names(&[
            ("public.test", &["8.8.8.8 2600::1"]),
            ("git.corp.test", &["10.0.0.7"]),
            ("meta.corp.test", &["169.254.169.254"]),
        ])
    };
    let git = ["git.corp.test"];
    let corp = ["*.corp.test"];
    let link = ["169.254.169.254", "fe80::/10"];
    let ten = ["10.0.0.0/8"];
    // What is allowed, whether nothing else is, what is reached then, and what is refused.
    type Case<'a> = (&'a [&'a str], bool, &'a [&'a str], &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (
            &[],
            false,
            &[
                "public.test",
                "PUBLIC.test.",
                "8.8.8.8",
                "[2600::1]",
                "[::ffff:8.8.8.8]",
                "[64:ff9b::808:808]",
                "172.32.0.1",
            ],
            &["git.corp.test", "10.0.0.7", "unknown..test", "a b", ""],
        ),
        (&git, false, &["git.corp.test", "Git.Corp.Test", "public.test"], &["10.0.0.7", "meta.corp.test"]),
        // A name is not enough to be led to a metadata service.
        (&corp, false, &["git.corp.test"], &["meta.corp.test", "10.0.0.7"]),
        (&link, false, &["meta.corp.test", "169.254.169.254", "[fe80::7]"], &["169.254.169.253", "git.corp.test"]),
        (
            &ten,
            false,
            &["git.corp.test", "10.9.9.9", "[::ffff:10.9.9.9]", "8.8.8.8"],
            &["192.168.0.1", "[2002:a00:1::]"],
        ),
        // Only what is listed.
        (&ten, true, &["git.corp.test", "10.9.9.9"], &["public.test", "8.8.8.8", "192.168.0.1"]),
        (&["public.test"], true, &["public.test"], &["8.8.8.8", "git.corp.test"]),
        (&["*"], true, &["public.test", "git.corp.test"], &["8.8.8.8", "meta.corp.test"]),
    ];
    for (allow, only, reached, refused) in cases {
        let egress = Egress::new(allow, *only).expect("a list").looking_up(answers());
        for host in *reached {
            let found = egress.resolve_blocking(host, 443);
            assert!(
                found.as_ref().is_ok_and(|found| found.iter().all(|found| found.port() == 443)),
                "{allow:?} {host} {found:?}"
            );
        }
        for host in *refused {
            let found = egress.resolve_blocking(host, 443);
            assert!(matches!(found, Err(ResolveError::Refused(_))), "{allow:?} {host} {found:?}");
        }
    }
    let unknown = Egress::default().looking_up(answers()).resolve_blocking("nobody.test", 1);
    assert!(matches!(unknown, Err(ResolveError::Unknown { .. })), "{unknown:?}");
    // What the operator wrote is not judged, and nothing else becomes allowed by it.
    let trusting = Egress::new::<&str>(&[], true).expect("nothing").looking_up(answers()).trusting("meta.corp.test");
    assert!(trusting.resolve_blocking("META.corp.test", 1).is_ok());
    assert!(trusting.resolve_blocking("169.254.169.254", 1).is_err());
    assert!(trusting.trusting("[::1]").check_host("::1").is_ok());
}

#[test]
fn entries_that_mean_nothing_are_named() {
    for entry in
        ["", "https://git.test", "git.test:443", "10.0.0.1/8", "10/8", "fd00::/200", "a b", "host_*!", "0x7f.1"]
    {
        let error = Egress::new(&["10.0.0.0/8", entry], false).expect_err(entry).to_string();
        assert!(error.starts_with(&format!("{entry:?} is neither a network")), "{error}");
    }
}

#[test]
fn refusals_name_the_host_the_address_and_the_key() {
    let egress = Egress::default().looking_up(misleading());
    let only = Egress::new::<&str>(&[], true).expect("nothing").looking_up(names(&[("public.test", &["8.8.8.8"])]));
    let add = "to `egress.allow` (GATEWRIGHT_EGRESS_ALLOW)";
    let may_not = "and what is declared in blueprints may not reach that; if it is meant to, add";
    for (egress, host, expected) in [
        (&egress, "private.test", format!("private.test leads to 10.1.2.3, which is a private address, {may_not} 10.1.2.3 or private.test {add}")),
        (&egress, "[::1]", format!("::1 is a loopback address, {may_not} ::1 {add}")),
        (
            &egress,
            "metadata.test",
            format!(
                "metadata.test leads to 169.254.169.254, which is a link-local address, as cloud metadata services have, \
                 {may_not} 169.254.169.254 {add}"
            ),
        ),
        (
            &egress,
            "0x7f.1\n",
            "the host \"0x7f.1?\" is no host name of ASCII letters, digits and hyphens".to_owned(),
        ),
        (
            &egress,
            "127.1",
            "the host \"127.1\" is a number that programs read in different ways; write an address as four decimal numbers"
                .to_owned(),
        ),
        (
            &only,
            "public.test",
            format!(
                "public.test leads to 8.8.8.8, which is not listed in `egress.allow`, and `egress.only` lets nothing else be \
                 reached; if it is meant to, add public.test or 8.8.8.8 {add}"
            ),
        ),
    ] {
        let error = egress.resolve_blocking(host, 1).expect_err(host);
        assert_eq!(error.to_string(), expected);
        assert!(Refused::among(&error).is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_answer_of_the_name_server_leads_nowhere() {
    let canary = Canary::sing();
    let rebinding = names(&[("rebind.test", &["127.0.0.1", "127.0.0.2"])]);
    let egress = Egress::new(&["127.0.0.1"], false).expect("an address").looking_up(rebinding.clone());
    let client = egress.client(Redirects::Never, |client| client.pool_max_idle_per_host(0)).expect("a client");
    let request = client.get(canary.url("rebind.test")).expect("a name");
    request.send().await.expect("the first answer is allowed");
    assert_eq!((canary.hits(), rebinding.asked.load(Ordering::SeqCst)), (1, 1), "asked once, and connected to that");
    let error = client.get(canary.url("rebind.test")).expect("a name").send().await.expect_err("the second is not");
    let refused = Refused::among(&error).expect("a refusal");
    assert_eq!((refused.host(), refused.address()), ("rebind.test", "127.0.0.2".parse().ok()));
    assert_eq!(canary.hits(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_redirect_is_checked_anew_and_takes_no_credentials_along() {
    let (first, second) = (Canary::sing(), Canary::sing());
    let answers = names(&[("inner.test", &["127.0.0.9"]), ("other.test", &["127.0.0.1"])]);
    let egress = Egress::new(&["127.0.0.1"], false).expect("an address").looking_up(answers);
    let client = |redirects| egress.client(redirects, |client| client).expect("a client");
    let ask = async |redirects, to: &str| {
        *first.redirect.lock().expect("the place") = Some(to.to_owned());
        let request = client(redirects).get(first.url("127.0.0.1")).expect("it is allowed");
        let answer = request.basic_auth("bob", Some("s3cret")).header("cookie", "a=b").send().await;
        assert_eq!(first.hits.swap(0, Ordering::SeqCst).min(1), 1, "{to}");
        answer
    };
    for host in ["127.0.0.9", "inner.test", "0x7f000009", "[::1]", "169.254.169.254", "[::ffff:127.0.0.9]"] {
        let error = ask(Redirects::Anywhere, second.url(host).as_str()).await.expect_err(host);
        assert!(Refused::among(&error).is_some(), "{host}: {error:?}");
    }
    let elsewhere = second.url("other.test");
    assert!(ask(Redirects::SameOrigin, elsewhere.as_str()).await.is_err());
    assert_eq!(ask(Redirects::Never, elsewhere.as_str()).await.expect("the redirect itself").status(), 307);
    assert_eq!(second.hits(), 0);
    assert_eq!(ask(Redirects::Anywhere, elsewhere.as_str()).await.expect("it is allowed").status(), 200);
    assert_eq!(second.hits(), 1);
    let seen = second.seen.lock().expect("the note").clone();
    assert!(seen.contains("host: other.test") && !seen.contains("authorization") && !seen.contains("cookie"), "{seen}");
    assert_eq!(ask(Redirects::SameOrigin, "/further").await.expect("the same server").status(), 200);
    assert!(first.seen.lock().expect("the note").contains("authorization"), "the same server is told");
}
