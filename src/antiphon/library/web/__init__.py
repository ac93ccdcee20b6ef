"""Documents from the web: one page, a part of a site, or what a sitemap lists, through the guarded client."""
