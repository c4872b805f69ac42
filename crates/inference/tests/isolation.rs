//! Chat templates in a process of their own. This program is that process, too, so it has no harness of tests.

use std::{
    collections::BTreeMap,
    env, io,
    time::{Duration, Instant},
};

use fonte_inference::formats::{ChatTemplate, Message, RENDER_TEMPLATES, render_templates};

/// What a message asks for decides which trap it springs; any other message is laid out.
const TEMPLATE: &str = r#"
{%- set ns = namespace(x=[1], y=[1]) %}
{%- set what = messages[0].content %}
{%- if what in ['text', 'compare', 'search'] %}
    {%- for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}
{%- endif %}
{%- if what == 'text' %}{{ ns.x ~ '' }}{% endif %}
{%- if what == 'compare' %}{{ ns.x == ns.y }}{% endif %}
{%- if what == 'search' %}{{ ns.x in [1, ns.y] }}{% endif %}
{%- if what == 'deep' %}{% for i in range(60000) %}{% set ns.x = [ns.x] %}{% endfor %}{% endif %}
{%- if what == 'raise' %}{{ raise_exception('no such role') }}{% endif %}
{{- what }}{% if add_generation_prompt %}:{% endif %}{{ mark }}"#;

fn main() -> io::Result<()> {
    if env::args_os().skip(1).eq([RENDER_TEMPLATES]) {
        return render_templates();
    }
    if !cfg!(unix) {
        return Ok(());
    }
    let compile = || ChatTemplate::compile("t", TEMPLATE, "<s>", "</s>").expect("it compiles");
    let (here, apart) = (compile(), compile().isolated(env::current_exe()?));
    let extra = BTreeMap::from([("mark".to_owned(), "\u{1f600}\n".into())]);
    let render = |template: &ChatTemplate, content: &str| {
        let messages = [Message { role: "user".into(), content: content.into() }];
        template.render(&messages, true, &extra).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => source.to_string(),
            None => error.to_string(),
        })
    };

    for content in ["hello", "h\u{e9}\n\"", "hello"] {
        assert_eq!(render(&apart, content), render(&here, content));
        assert_eq!(render(&apart, content), Ok(format!("{content}:\u{1f600}\n")));
    }
    // What the template itself refuses is told in its words.
    assert!(render(&apart, "raise").is_err_and(|error| error.contains("no such role")));
    for trap in ["text", "compare", "search"] {
        let started = Instant::now();
        let refused = render(&apart, trap);
        println!("{trap}: {refused:?} after {:?}", started.elapsed());
        assert!(refused.is_err_and(|error| error.contains("use another template")), "{trap}");
        // By the clock: two seconds of CPU, on a machine that may have much else to do.
        assert!(started.elapsed() < Duration::from_secs(120), "{trap}");
        // The next one has a process again.
        assert_eq!(render(&apart, "hello"), render(&here, "hello"));
    }
    // Either it fits, or it ends that process; here it must not be tried.
    println!("deep: {:?}", render(&apart, "deep").map(|text| text.len()));
    assert_eq!(render(&apart, "hello"), render(&here, "hello"));

    // Where less is allowed already, that is kept. Only a user without privileges could not ask for more.
    let folder = tempfile::tempdir()?;
    let limited = folder.path().join("limited");
    let program = env::current_exe()?;
    std::fs::write(
        &limited,
        format!("#!/bin/sh\nulimit -v 524288\nulimit -t 600\nexec '{}' \"$@\"\n", program.display()),
    )?;
    #[cfg(unix)]
    std::fs::set_permissions(&limited, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let limited = compile().isolated(limited);
    for _ in 0..2 {
        assert_eq!(render(&limited, "hello"), render(&here, "hello"));
    }

    let nobody = compile().isolated("/nonexistent/program".into());
    assert!(render(&nobody, "hello").is_err_and(|error| error.contains("could not be started")));
    println!("test result: ok");
    Ok(())
}
