"""X14: VRFY and EXPN say the same of everybody."""

from ...smtp_site import Site


async def test_vrfy_and_expn_do_not_tell(site: Site) -> None:
    client = await site.greeted()
    names = ("ada@alpha.example", "nobody@alpha.example", "ada", "team@alpha.example", "x@elsewhere.example")
    assert len({await client.ask(f"VRFY {name}") for name in names}) == 1
    assert len({await client.ask(f"EXPN {name}") for name in names}) == 1
    assert (await client.ask("VRFY ada")).startswith("252 ")
    assert (await client.ask("EXPN ada")).startswith("502 ")
