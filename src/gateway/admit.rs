//! Who may: what a location asks its visitors to bring.

use std::time::SystemTime;

use crate::{
    channel::ChannelId,
    config::{
        Channels, Location,
        variable::{Push, Scope},
    },
    credentials::{LinkError, Signed, Token, TokenError},
    response::Refusal,
};

/// The token of a request, where the location asks for one.
pub(super) fn token(location: &Location, scope: &Scope<'_>) -> Result<Option<Token>, Refusal> {
    let Some(jwt) = &location.jwt else { return Ok(None) };
    let places = jwt.token.iter().map(|template| template.expand(scope));
    let shown = places.into_iter().find(|value| !value.is_empty()).unwrap_or_default();
    let token = Token::verify(&shown, &jwt.keys, &jwt.expected);
    token.and_then(|token| names_channels(location, token)).map(Some).map_err(|error| match error {
        TokenError::Missing => Refusal::TokenNeeded,
        error => Refusal::TokenRefused(error.to_string().into()),
    })
}

/// A claim that names the channel has to be there: all who lack it would share one.
fn names_channels(location: &Location, token: Token) -> Result<Token, TokenError> {
    let Channels { ids, group, .. } = &location.channels;
    let missing = ids.iter().chain([group]).find_map(|template| template.missing_claim(&token));
    missing.map(|claim| Err(TokenError::Claim(claim.to_owned()))).unwrap_or(Ok(token))
}

/// Whether the token grants all of the channels, and the link is signed for them.
pub(super) fn channels(
    location: &Location,
    scope: &Scope<'_>,
    channels: &[ChannelId],
) -> Result<(), Refusal> {
    let claim = location.jwt.as_ref().and_then(|jwt| jwt.claim.as_deref());
    if let (Some(claim), Some(token)) = (claim, scope.token)
        && !channels.iter().all(|channel| token.grants(claim, channel.as_bytes()))
    {
        return Err(Refusal::NotGranted);
    }
    link(location, scope, channels)
}

fn link(location: &Location, scope: &Scope<'_>, channels: &[ChannelId]) -> Result<(), Refusal> {
    let Some(link) = &location.secure_link else { return Ok(()) };
    let signed = link.signed.expand(scope);
    let ambiguous = || Refusal::Forbidden("No link can be signed for an id with a comma.".into());
    let channel_id = location.joined(channels).ok_or_else(ambiguous)?;
    let scope = Scope { push: Push { channel_id: &channel_id, ..scope.push }, ..*scope };
    let text = link.text.expand(&scope);
    let verified = Signed::parse(&signed)
        .and_then(|signed| signed.verify(&link.secret, &text, SystemTime::now()));
    verified.map_err(|error| match error {
        LinkError::Expired => Refusal::LinkExpired,
        error => Refusal::Forbidden(error.to_string().into()),
    })
}
